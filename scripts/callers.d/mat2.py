"""mat2's library has exiftool read and clean pictures in a sandbox."""

import hashlib
import json
import sys

from libmat2 import parser_factory

try:
    import libmat2.bubblewrap  # noqa: F401
except ImportError:
    sys.exit("this mat2 uses no sandbox: 0.15 has none")


def parser(path):
    p, kind = parser_factory.get_parser(path)
    p.sandbox = True
    p.lightweight_cleaning = True
    return p, kind


for path in sys.argv[1:]:
    p, kind = parser(path)
    print(kind, json.dumps(p.get_meta(), sort_keys=True))
    if not p.remove_all():
        sys.exit("not cleaned: " + path)
    with open(p.output_filename, "rb") as f:
        print("cleaned", hashlib.sha256(f.read()).hexdigest())
    print("left", json.dumps(parser(p.output_filename)[0].get_meta(), sort_keys=True))
