// Package dns answers for the names of services, as a cluster's DNS server does for the pods.
package dns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// ttl is how long answers may be kept, in seconds. Services keep their addresses, so it matters for those that come and go.
const ttl = 5

// closeTimeout bounds how long answers under way may take at the end.
const closeTimeout = time.Second

// Server answers over UDP and TCP.
type Server struct {
	find    func(ctx context.Context, host string) (netip.Addr, bool)
	servers [2]*dns.Server
	done    sync.WaitGroup
	refuses atomic.Bool
	refused atomic.Uint64
}

// Serve answers until Close with what find gives for a host, without its final dot: one address, or that there is no such name. It
// takes the sockets over.
func Serve(udp net.PacketConn, tcp net.Listener, find func(ctx context.Context, host string) (netip.Addr, bool)) *Server {
	s := &Server{find: find}
	s.servers = [2]*dns.Server{{PacketConn: udp, Handler: s}, {Listener: tcp, Handler: s}}
	for _, one := range s.servers {
		started := make(chan struct{})
		one.NotifyStartedFunc = func() { close(started) }
		s.done.Go(func() { _ = one.ActivateAndServe() })
		<-started
	}
	return s
}

// Refuse makes every answer SERVFAIL until it is called with false.
func (s *Server) Refuse(on bool) { s.refuses.Store(on) }

// Refused counts the questions that got SERVFAIL.
func (s *Server) Refused() uint64 { return s.refused.Load() }

// ServeDNS implements dns.Handler.
func (s *Server) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	a := new(dns.Msg)
	a.SetReply(q)
	a.Authoritative, a.RecursionAvailable = true, true
	switch {
	case s.refuses.Load():
		s.refused.Add(1)
		a.Rcode = dns.RcodeServerFailure
	case len(q.Question) != 1:
		a.Rcode = dns.RcodeFormatError
	default:
		s.answer(a, q.Question[0])
	}
	_ = w.WriteMsg(a) // who asked may be gone
}

func (s *Server) answer(a *dns.Msg, q dns.Question) {
	address, ok := s.find(context.Background(), strings.TrimSuffix(q.Name, "."))
	if !ok {
		a.Rcode = dns.RcodeNameError
		return
	}
	header := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: ttl}
	switch {
	case q.Qtype == dns.TypeA && address.Is4():
		a.Answer = append(a.Answer, &dns.A{Hdr: header, A: address.AsSlice()})
	case q.Qtype == dns.TypeAAAA && address.Is6():
		a.Answer = append(a.Answer, &dns.AAAA{Hdr: header, AAAA: address.AsSlice()})
	}
}

// Close ends the server and its sockets.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	var errs []error
	for _, one := range s.servers {
		errs = append(errs, one.ShutdownContext(ctx))
	}
	s.done.Wait()
	return errors.Join(errs...)
}
