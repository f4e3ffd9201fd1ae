package model

import "strings"

// Serves gives the host under which a gateway's server answers for a rule's host, or "": the narrower of the two.
func (s *Server) Serves(ruleHost, namespace string) string {
	for _, h := range s.Hosts {
		if h.Namespace != "*" && h.Namespace != "" && h.Namespace != namespace {
			continue
		}
		switch {
		case covers(h.Host, ruleHost):
			return ruleHost
		case covers(ruleHost, h.Host):
			return h.Host
		}
	}
	return ""
}

// covers reports whether a host pattern holds for every name that another stands for.
func covers(pattern, host string) bool {
	if pattern == "*" || pattern == host {
		return true
	}
	return strings.HasPrefix(pattern, "*.") && strings.HasSuffix(host, pattern[1:])
}
