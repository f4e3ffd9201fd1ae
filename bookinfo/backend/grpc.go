package backend

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec that Codec falls back on
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/mem"
)

// EchoMethod is the full name of the one gRPC method, for grpc's Invoke. It takes a [Text] and returns it.
const EchoMethod = "/squall.Echo/Echo"

// Text is the message of [EchoMethod], on the wire a google.protobuf.StringValue, which clients may use instead. In Go
// it needs [Codec].
type Text string

// Codec encodes *[Text], and all else as protobuf. Pass it to grpc.ForceCodecV2.
type Codec struct{}

// Name is proto, as the encoding is.
func (Codec) Name() string { return "proto" }

// Marshal encodes a *Text as a message whose field 1 is the text, absent when empty.
func (Codec) Marshal(v any) (mem.BufferSlice, error) {
	t, ok := v.(*Text)
	if !ok {
		return encoding.GetCodecV2("proto").Marshal(v)
	}
	if *t == "" {
		return nil, nil
	}
	b := binary.AppendUvarint([]byte{textTag}, uint64(len(*t)))
	return mem.BufferSlice{mem.SliceBuffer(append(b, *t...))}, nil
}

// Unmarshal decodes into a *Text.
func (Codec) Unmarshal(data mem.BufferSlice, v any) error {
	t, ok := v.(*Text)
	if !ok {
		return encoding.GetCodecV2("proto").Unmarshal(data, v)
	}
	return t.decode(data.Materialize())
}

// textTag begins field 1, which is length-delimited.
const textTag = 1<<3 | 2

var errWire = errors.New("not a google.protobuf.StringValue")

func (t *Text) decode(b []byte) error {
	*t = ""
	for len(b) > 0 {
		n, size := binary.Uvarint(b[1:])
		if b[0] != textTag || size <= 0 {
			return errWire
		}
		if b = b[1+size:]; n > uint64(len(b)) {
			return errWire
		}
		*t, b = Text(b[:n]), b[n:] // the last one counts, as everywhere in protobuf
	}
	return nil
}

type echoer interface {
	echo(context.Context, *Text) *Text
}

type echo struct{}

type textKey struct{}

// echo returns what it got, or what the script has instead.
func (echo) echo(ctx context.Context, in *Text) *Text {
	if t, ok := ctx.Value(textKey{}).(Text); ok {
		return &t
	}
	return in
}

func newGRPC() *grpc.Server {
	srv := grpc.NewServer(grpc.ForceServerCodecV2(Codec{}), grpc.MaxRecvMsgSize(maxBody), grpc.MaxSendMsgSize(maxBody+16))
	srv.RegisterService(&grpc.ServiceDesc{
		ServiceName: "squall.Echo",
		HandlerType: (*echoer)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: "Echo",
			Handler: func(impl any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				var in Text
				if err := decode(&in); err != nil {
					return nil, err
				}
				return impl.(echoer).echo(ctx, &in), nil
			},
		}},
	}, echo{})
	h := health.NewServer() // "" is serving from the start
	h.SetServingStatus("squall.Echo", grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(srv, h)
	return srv
}

func isHealth(path string) bool { return strings.HasPrefix(path, "/grpc.health.v1.Health/") }

// answerGRPC answers a call: a scripted status by hand, all else by the gRPC server.
func (s *Server) answerGRPC(w http.ResponseWriter, r *http.Request, t *ticket, o Outcome) {
	body, own := o.body()
	switch {
	case o.Status != 0 && o.Status != http.StatusOK:
		s.ledger.complete(t, strconv.Itoa(o.Status))
		setDefault(w.Header(), "Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(o.Status)
		_, _ = io.WriteString(w, body)
	case o.GRPCStatus != 0: // headers alone, which are trailers too
		if !own {
			body = "scripted " + codes.Code(o.GRPCStatus).String()
		}
		s.ledger.complete(t, fmt.Sprintf("grpc-%d", o.GRPCStatus))
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Grpc-Status", strconv.FormatUint(uint64(o.GRPCStatus), 10))
		w.Header().Set("Grpc-Message", url.PathEscape(body))
		w.WriteHeader(http.StatusOK)
	default:
		if own {
			r = r.WithContext(context.WithValue(r.Context(), textKey{}, Text(body)))
		}
		s.grpc.ServeHTTP(w, r)
		// The trailers, which end the answer, go out when the handler returns.
		s.ledger.complete(t, "grpc-"+w.Header().Get("Grpc-Status"))
	}
}
