// Package backend is the workload of exact tests: a service whose every answer a test can hold back, release one by
// one, or write beforehand, and that has counted what reached it.
//
// It serves one address on four named ports:
//
//	http   8080  HTTP/1.1
//	http2  8081  HTTP/2 without TLS, by prior knowledge
//	grpc   8082  gRPC: squall.Echo/Echo (google.protobuf.StringValue both ways) and grpc.health.v1.Health
//	tcp    8083  lines; each comes back behind the workload's name and a space
//
// Unless scripted otherwise, HTTP answers 200 with a JSON description of the request ([Seen]). Every HTTP and gRPC answer
// says who gave it and to what:
//
//	x-backend          the workload's name
//	x-backend-pod      the pod's name
//	x-backend-version  its version
//	x-backend-attempt  the attempt that it took this request for
//	x-request-id       as it came; absent if none came
//
// # Control
//
// A test steers it through a Unix socket, outside of the mesh, with a [Client]. What counts as one request is an HTTP
// request, a gRPC call or a line on the TCP port. GET /healthz on the HTTP ports and the gRPC health service are outside
// of all this: never counted, held or scripted.
//
// A request's way: it arrives (counted, its attempt determined), its body is read, it is held if a [HoldSpec] matches,
// and once released its [Outcome] is looked up in the script and carried out. At any moment, per port,
//
//	Arrived = InFlight + Completed + Left      and      Held ≤ InFlight
//
// hold exactly; a request is completed when its answer begins to be written, so whoever has seen an answer finds it
// counted.
//
// A caller that closes its side of a connection has left, even if it still reads.
package backend
