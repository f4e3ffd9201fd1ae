package loadgen

import (
	"encoding/binary"
	"fmt"
	"net/http"
)

// ErrGRPC begins what Result.Err says of a call that was answered with another status than 0: "grpc-status 14".
const ErrGRPC = "grpc-status "

// grpcFrame is a message as gRPC sends it: uncompressed, behind its length. The message has one field, the string of number 1, which is
// left out if it is empty.
func grpcFrame(text []byte) []byte {
	const field1 = 1<<3 | 2 // length-delimited
	var message []byte
	if len(text) > 0 {
		message = append(binary.AppendUvarint([]byte{field1}, uint64(len(text))), text...)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

// grpcHeader is what every call carries.
func grpcHeader(h http.Header) {
	h.Set("Content-Type", "application/grpc")
	h.Set("Te", "trailers")
}

// endGRPC reads a call's status, once its answer was read to the end. An answer that came from no gRPC server has none: its HTTP status says
// what happened, unless that is 200.
func (s *sender) endGRPC(resp *http.Response, result *Result) error {
	status := resp.Trailer.Get("Grpc-Status")
	if status == "" {
		status = resp.Header.Get("Grpc-Status") // nothing but headers
	}
	if s.load.Extract.Body == nil && s.load.Extract.Header == "" {
		result.Value = status
	}
	switch {
	case status == "0", status == "" && resp.StatusCode != http.StatusOK:
		return nil
	case status == "":
		return fmt.Errorf("%smissing", ErrGRPC)
	}
	return fmt.Errorf("%s%s", ErrGRPC, status)
}
