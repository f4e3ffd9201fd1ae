package sim

import (
	"slices"
	"strconv"
	"strings"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/model/match"
	"github.com/squallmesh/squall/mesh/policy/jwt"
)

// Message is a request as someone sees it, without what is different in each: trace headers, x-request-id and
// x-envoy-attempt-count are kept apart.
type Message struct {
	match.Request
	// Claims of the token that the proxy believed: only there, and not sent on. nil without one.
	Claims map[string]any
	// Body that is sent.
	Body string
}

// Answer is what comes back. The zero Answer has no headers and no body.
type Answer struct {
	Status int
	// Headers with names in lower case.
	Headers []model.Header
	Body    string
	// Size of the body, where it is not kept; 0 is the length of Body.
	Size int
	// limited: the answer says that it comes of a rate limit.
	limited bool
	// grpc is the condition that its gRPC status fulfils, or 0.
	grpc condition
}

// Header gives a header's first value, or "".
func (a *Answer) Header(name string) string {
	for _, h := range a.Headers {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

func (a *Answer) size() int {
	if a.Size > 0 {
		return a.Size
	}
	return len(a.Body)
}

// AnswerID names an answer of a mesh: equal answers have equal names.
type AnswerID uint32

// The answers that are none.
const (
	// NoAnswer: the caller left first.
	NoAnswer AnswerID = iota
	// TimedOut: who asked waited no longer.
	TimedOut
	// Broken: the connection broke or was refused.
	Broken
)

type messageID uint32

// messages gives equal messages one number.
type messages struct {
	list []*Message
	ids  map[string]messageID
}

func (ms *messages) init() { ms.ids = map[string]messageID{} }

func (ms *messages) of(x Message) messageID {
	var b strings.Builder
	for _, s := range []string{x.Method, x.Scheme, x.Authority, x.Path, x.Body} {
		b.WriteString(s)
		b.WriteByte(0)
	}
	b.WriteString(jwt.Key(x.Claims))
	b.WriteByte(0)
	writeHeaders(&b, x.Headers)
	key := b.String()
	id, known := ms.ids[key]
	if !known {
		id = messageID(len(ms.list))
		ms.list = append(ms.list, &x)
		ms.ids[key] = id
	}
	return id
}

func writeHeaders(b *strings.Builder, headers []model.Header) {
	for _, h := range headers {
		b.WriteString(h.Name)
		b.WriteByte(0)
		b.WriteString(h.Value)
		b.WriteByte(0)
	}
}

// answers gives equal answers one number.
type answers struct {
	list []*Answer
	ids  map[string]AnswerID
}

func (as *answers) init() {
	as.ids = map[string]AnswerID{}
	as.list = []*Answer{NoAnswer: {}, TimedOut: {}, Broken: {}}
}

func (as *answers) of(x Answer) AnswerID {
	var b strings.Builder
	b.WriteString(strconv.Itoa(x.Status))
	b.WriteByte(0)
	b.WriteString(strconv.Itoa(x.Size))
	b.WriteByte(0)
	b.WriteString(x.Body)
	b.WriteByte(0)
	writeHeaders(&b, x.Headers)
	key := b.String()
	id, known := as.ids[key]
	if !known {
		id = AnswerID(len(as.list))
		x.limited = x.Header("x-envoy-ratelimited") != ""
		if n, ok := x.GRPCStatus(); ok {
			x.grpc = ofGRPC[n]
		}
		as.list = append(as.list, &x)
		as.ids[key] = id
	}
	return id
}

// Answer gives an answer by its name; it must not be changed.
func (m *Mesh) Answer(id AnswerID) *Answer { return m.answers.list[id] }

func (m *Mesh) message(id messageID) *Message { return m.messages.list[id] }

// sortHeaders puts headers in the order of their names, and values of one name in theirs.
func sortHeaders(in []model.Header) []model.Header {
	out := slices.Clone(in)
	for i := range out {
		out[i].Name = strings.ToLower(out[i].Name)
	}
	slices.SortStableFunc(out, func(a, b model.Header) int { return strings.Compare(a.Name, b.Name) })
	return out
}
