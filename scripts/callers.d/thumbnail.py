"""GNOME's desktop library has a thumbnailer make a small picture in a sandbox."""

import hashlib
import sys

import gi

gi.require_version("GnomeDesktop", "3.0")
from gi.repository import GnomeDesktop

factory = GnomeDesktop.DesktopThumbnailFactory.new(GnomeDesktop.DesktopThumbnailSize.NORMAL)
picture = factory.generate_thumbnail("file://" + sys.argv[1], "image/png")
if picture is None:
    sys.exit("no thumbnail")
print(picture.get_width(), "x", picture.get_height(), hashlib.sha256(picture.get_pixels()).hexdigest())
