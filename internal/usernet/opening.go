package usernet

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"syscall"
	"time"

	"github.com/snug-sandbox/snug/internal/egress"
	"github.com/snug-sandbox/snug/network"
)

// openPatience is how long a command may take to say for whom a connection or a
// request is, once it has begun to.
const openPatience = time.Minute

var errRefused = errors.New("refused")

// opening is the beginning of a connection where names count: nothing goes out
// before it has said one that is fine.
type opening struct {
	*flow
	to     *counter
	first  []byte // what was read and is not passed on yet
	passed int    // how much of what came before first was
}

// open is up for a flow where names count.
func (f *flow) open() error {
	o := &opening{flow: f, to: &counter{f.outside, f.contact}}
	err := o.run()
	var late net.Error
	if errors.As(err, &late) && late.Timeout() && !errors.Is(err, syscall.ETIMEDOUT) {
		f.refuse(nil, egress.Unsaid)
	}
	return err
}

func (o *opening) run() error {
	kind, hello, err := o.sniff()
	o.hurry(false)
	if len(o.first) == 0 || err != nil {
		return err
	}
	switch kind {
	case egress.TLS:
		return o.tls(hello)
	case egress.HTTP:
		return o.http()
	}
	if v := o.network.policy.Opaque(o.flow.to); !v.Allowed {
		return o.refuse(v.Names, v.Why)
	}
	return o.rest(o.first[o.passed:])
}

// hurry has what is read next be there in time, or not.
func (o *opening) hurry(yes bool) {
	until := time.Time{}
	if yes {
		until = time.Now().Add(o.network.patience)
	}
	o.inside.SetReadDeadline(until)
}

// sniff reads until it is clear what the command speaks.
func (o *opening) sniff() (egress.Kind, egress.Hello, error) {
	buffer := make([]byte, 4096)
	for {
		got, err := o.inside.Read(buffer)
		if len(o.first) == 0 {
			o.hurry(true)
		}
		o.first = append(o.first, buffer[:got]...)
		kind, hello := egress.Sniff(o.first)
		if undecided := kind == egress.More || kind == egress.Line; undecided && err == io.EOF && len(o.first) > 0 {
			kind = egress.Opaque // no more will come
			if o.first[0] == 0x16 {
				kind = egress.TLS
			}
		}
		switch {
		case err == io.EOF && len(o.first) > 0:
			return kind, hello, nil
		case err != nil:
			return kind, hello, err
		case kind == egress.Line:
			// No server acts on a line that has not ended.
			if err := o.pass(); err != nil {
				return kind, hello, err
			}
		case kind != egress.More:
			return kind, hello, nil
		}
	}
}

// pass sends what is not known to be a request, and may become one, where it would
// go out in any case.
func (o *opening) pass() error {
	if !o.network.policy.Opaque(o.flow.to).Allowed {
		return nil
	}
	o.hurry(false)
	n, err := o.to.Write(o.first[o.passed:])
	o.passed += n
	return err
}

// rest sends what was read, and all that follows.
func (o *opening) rest(read []byte) error {
	if _, err := o.to.Write(read); err != nil {
		return err
	}
	return o.up()
}

func (o *opening) http() error {
	o.answer.watch(func(text []byte) bool {
		_, done := egress.Switches(text, true)
		return done
	})
	r := egress.Requests{
		From: bufio.NewReader(io.MultiReader(bytes.NewReader(o.first), o.inside)), To: &skipping{o.to, o.passed},
		Judge: o.says, Hurry: o.hurry,
		Switched: func(connect bool) bool {
			yes, _ := egress.Switches(o.answer.wait(o.network.patience), connect)
			return yes
		},
	}
	err := r.Run()
	switch {
	case errors.Is(err, egress.ErrTwisted):
		return o.refuse(nil, egress.TwistedHTTP)
	case err == io.EOF:
		return nil
	}
	return err
}

// tls passes a hello on that says a name that is fine. A server may ask for
// another one, which does not have to say the same name.
func (o *opening) tls(hello egress.Hello) error {
	o.answer.watch(func(text []byte) bool {
		_, done := egress.Retries(text)
		return done
	})
	first := bytes.NewReader(o.first)
	from := bufio.NewReaderSize(io.MultiReader(first, o.inside), 4096)
	if err := o.hello(hello); err != nil {
		return err
	}
	if hello.Size == 0 { // whom it is for does not matter
		return o.rest(o.first)
	}
	if _, err := io.CopyN(o.to, from, int64(hello.Size)); err != nil {
		return err
	}
	if _, err := from.Peek(1); err == nil {
		again, known := egress.Retries(o.answer.wait(o.network.patience))
		if !known {
			return io.ErrUnexpectedEOF
		}
		if again {
			if err := o.second(from); err != nil {
				return err
			}
		}
	}
	left, _ := from.Peek(from.Buffered())
	behind, _ := io.ReadAll(first)
	return o.rest(slices.Concat(left, behind))
}

// second judges the hello that a server asked for. Other records may come before.
func (o *opening) second(from *bufio.Reader) error {
	for {
		head, err := from.Peek(1)
		if err != nil {
			return nil // it does not come
		}
		if head[0] == 0x16 {
			break
		}
		if head, err = from.Peek(5); err != nil {
			return nil
		}
		size, _, _ := egress.Record(head)
		if _, err := io.CopyN(o.to, from, int64(size)); err != nil {
			return err
		}
	}
	o.hurry(true)
	defer o.hurry(false)
	var text []byte
	for {
		b, err := from.ReadByte()
		if err != nil {
			return err
		}
		text = append(text, b)
		kind, hello := egress.Sniff(text)
		if kind == egress.More {
			continue
		}
		if err := o.hello(hello); err != nil {
			return err
		}
		_, err = o.to.Write(text)
		return err
	}
}

// hello judges what the connection says by TLS.
func (o *opening) hello(h egress.Hello) error {
	return o.verdict(o.network.policy.Hello(network.TCP, h, o.flow.to), h.Name)
}

// says judges what it says by HTTP.
func (o *opening) says(name string) error {
	return o.verdict(o.network.policy.Says(network.TCP, name, o.flow.to), name)
}

func (o *opening) verdict(v egress.Verdict, name string) error {
	if !v.Allowed {
		return o.refuse(v.Names, v.Why)
	}
	o.network.contacts.called(o.contact, name)
	return nil
}

// refuse tells of a refusal, and returns what ends the flow.
func (f *flow) refuse(names []string, why string) error {
	f.network.contacts.refuse(network.TCP, names, f.to, why, f.source)
	return errRefused
}

// counter counts what is written.
type counter struct {
	io.Writer
	contact *network.Contact
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	sent(c.contact, int64(n))
	return n, err
}

// skipping leaves out the first bytes, which were written before.
type skipping struct {
	io.Writer
	n int
}

func (s *skipping) Write(p []byte) (int, error) {
	left := min(s.n, len(p))
	s.n -= left
	if left == len(p) {
		return left, nil
	}
	n, err := s.Writer.Write(p[left:])
	return left + n, err
}
