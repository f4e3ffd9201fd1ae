package live

import "context"

// query answers the checks that ask the metrics.
func (r *runner) query(context.Context) error { return nil }
