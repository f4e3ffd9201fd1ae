package sim

import (
	"strconv"
	"strings"

	"github.com/squallmesh/squall/mesh/model"
)

// The header that ends an answer to a gRPC call. Where Envoy has it as a trailer the model has it as a header.
const grpcStatus = "grpc-status"

// isGRPC tells whether a message is a gRPC call.
func (x *Message) isGRPC() bool {
	v, _ := x.Header("content-type")
	return v == "application/grpc" || strings.HasPrefix(v, "application/grpc+") || strings.HasPrefix(v, "application/grpc;")
}

// GRPCAnswer is one to a gRPC call.
func GRPCAnswer(status uint32, message string) Answer {
	a := Answer{Status: 200, Headers: []model.Header{{Name: "content-type", Value: "application/grpc"}, {Name: grpcStatus, Value: number(status)}}}
	if message != "" {
		a.Headers = append(a.Headers, model.Header{Name: "grpc-message", Value: message})
	}
	return a
}

// GRPCStatus gives the status of a gRPC call; false if the answer has none.
func (a *Answer) GRPCStatus() (int, bool) {
	n, err := strconv.Atoi(a.Header(grpcStatus))
	return n, err == nil
}

// grpcOf is the gRPC status that Envoy makes of an HTTP one. Source: Envoy's Grpc::Utility::httpToGrpcStatus.
func grpcOf(status int) uint32 {
	switch status {
	case 400:
		return 13
	case 401:
		return 16
	case 403:
		return 7
	case 404:
		return 12
	case 429, 502, 503, 504:
		return 14
	}
	return 2
}

// httpOf are the HTTP statuses that Envoy makes of gRPC ones, by number. Source: Envoy's Grpc::Utility::grpcToHttpStatus.
var httpOf = []int{200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401}

// forGRPC is a proxy's own answer as a gRPC caller gets it.
func (m *Mesh) forGRPC(s *stream, id AnswerID) AnswerID {
	if s.tcp || id <= Broken || !m.message(s.message).isGRPC() {
		return id
	}
	a := m.Answer(id)
	if _, said := a.GRPCStatus(); said {
		return id
	}
	return m.answers.of(GRPCAnswer(grpcOf(a.Status), a.Body))
}

// aborts is the answer of a fault's abort to a message.
func (m *Mesh) aborts(abort *model.Abort, x *Message) AnswerID {
	const text = "fault filter abort"
	status := int(abort.HTTPStatus)
	if abort.GRPCStatus != nil {
		if x.isGRPC() {
			return m.answers.of(GRPCAnswer(*abort.GRPCStatus, text))
		}
		if status = 500; int(*abort.GRPCStatus) < len(httpOf) {
			status = httpOf[*abort.GRPCStatus]
		}
	}
	return m.localAnswer(status, text)
}
