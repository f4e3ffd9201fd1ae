// Package eval says what an Envoy does with a request, from its configuration alone: which listener takes it, which virtual
// host and route, where it is sent, and under which time-outs, retries, limits and faults. It also says why every other route
// was not taken, and which routes would have taken the request had an earlier one not been there.
//
// It reads Envoy's own resources, of a translate.View or of a live Envoy's config dump, and knows nothing of the rules
// behind them: the places of rules come along as the sources and the metadata of resources. So what it says can be held
// against the rules' meaning, and against a real Envoy; both are tests of this package.
//
// The order of decisions and the details of each comparison are those of Envoy 1.40. Sources: the documentation of
// config.route.v3 (VirtualHost.domains, RouteMatch, HeaderMatcher, QueryParameterMatcher) and of
// listener.v3.FilterChainMatch. A condition that this package does not know is an error, never a guess.
package eval
