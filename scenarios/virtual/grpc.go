package virtual

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/squallmesh/squall/bookinfo/backend"
	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/sim"
)

// healthService is answered beside every script.
const healthService = "/grpc.health.v1.Health/"

// grpcAnswer is what the backend answers on its port for gRPC, with its headers.
func grpcAnswer(x *sim.Message, o *sim.Outcome, h http.Header) sim.Answer {
	var a sim.Answer
	kind, _ := x.Header("content-type")
	switch {
	case o.Status != 0 && o.Status != http.StatusOK:
		a = sim.Answer{Status: o.Status, Body: o.Body}
	case o.GRPCStatus != 0:
		message := o.Body
		if message == "" {
			message = "scripted " + codes.Code(o.GRPCStatus).String()
		}
		a = sim.GRPCAnswer(o.GRPCStatus, url.PathEscape(message))
	case x.Method != http.MethodPost:
		a = sim.Answer{Status: http.StatusMethodNotAllowed}
	case !strings.HasPrefix(kind, "application/grpc"):
		a = sim.Answer{Status: http.StatusUnsupportedMediaType}
	case x.Path == backend.EchoMethod:
		a = sim.GRPCAnswer(0, "")
		if a.Body = x.Body; o.Body != "" {
			a.Body = o.Body
		}
	case strings.HasPrefix(x.Path, healthService):
		a = sim.GRPCAnswer(0, "")
	default:
		a = sim.GRPCAnswer(uint32(codes.Unimplemented), "unknown method")
	}
	a.Headers = append(a.Headers, headers(h)...)
	return a
}

// callOf makes a load's request the gRPC call that it asks for.
func callOf(x *sim.Message, method string) {
	x.Method, x.Path = http.MethodPost, method
	x.Headers = append(x.Headers, model.Header{Name: "content-type", Value: "application/grpc"}, model.Header{Name: "te", Value: "trailers"})
}

// endGRPC reads a call's status, as the load generator does: an answer of no gRPC server has none.
func endGRPC(a *sim.Answer, res *loadgen.Result, own bool) {
	status, said := a.GRPCStatus()
	if said && !own {
		res.Value = strconv.Itoa(status)
	}
	switch {
	case said && status != 0:
		res.Err = loadgen.ErrGRPC + strconv.Itoa(status)
	case !said && a.Status == http.StatusOK:
		res.Err = loadgen.ErrGRPC + "missing"
	}
}
