// Package des is a discrete-event kernel: a virtual clock and the events to come.
//
// Time is in whole nanoseconds since the start. An event is a kind and a number that the model chooses, so that a model is a switch
// over kinds with its entities in slices; nothing on the way is an interface, a closure or an allocation:
//
//	for {
//		e, ok := k.Next(end)
//		if !ok {
//			break
//		}
//		switch e.Kind {
//		case arrival:
//			k.After(service.Draw(r), departure, e.Who)
//		...
//		}
//	}
//	return k.Err()
//
// The loop is the caller's, who may leave it at any event, for a context that has ended for example.
//
// Events at the same time come in the order in which they were scheduled.
//
// The queue is a radix heap (Ahuja, Mehlhorn, Orlin and Tarjan, "Faster algorithms for the shortest path problem", 1990): cheap
// because time never runs backwards.
package des
