package lint

// hashAcrossWeights finds users that are meant to stick to an endpoint, and whom weights throw between several.
func hashAcrossWeights(p *pass) {
	for _, r := range p.routes {
		positive := 0
		var total uint32
		for _, d := range r.Destinations {
			if d.Weight > 0 {
				positive++
				total += d.Weight
			}
		}
		if positive < 2 {
			continue
		}
		for i, c := range p.to(r) {
			if c.hashed() {
				p.report(r.Destinations[i].Pos, "send by a header or cookie in the match, or hash behind one destination",
					"consistentHash keeps nobody here: each request draws one of %d destinations by weight first (%s with %d of %d), and the hash chooses within it only",
					positive, c.name(), r.Destinations[i].Weight, total)
			}
		}
	}
}

// failoverWithoutOutlier finds failover that never comes about: Istio makes priorities only where ejections can empty one.
// Settings that neither distribute nor switch localities off are for failover, also without a rule of their own.
func failoverWithoutOutlier(p *pass) {
	for _, c := range p.clusters {
		lb := c.policy.LoadBalancer
		if lb == nil || lb.Locality == nil || lb.Locality.Disabled || len(lb.Locality.Distribute) > 0 || c.policy.Outlier != nil {
			continue
		}
		p.report(c.at("loadBalancer.localityLbSetting"), "add outlierDetection to the same policy",
			"nothing fails over for %s: Istio makes priorities of localities only beside outlierDetection, so that all its %s are asked alike, wherever they are",
			c.name(), endpoints(c.hosts))
	}
}

// endpoints counts them in words, as far as they are known.
func endpoints(n int) string {
	if n == 0 {
		return "endpoints"
	}
	return counted(n, "1 endpoint", "endpoints")
}
