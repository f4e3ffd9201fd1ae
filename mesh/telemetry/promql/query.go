package promql

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// ParseError tells where an expression is wrong.
type ParseError struct {
	Expr string
	// Line and Col count from 1, Col in bytes.
	Line, Col int
	Err       error
}

// Error is "line:col: message".
func (e *ParseError) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Col, e.Err) }

// Unwrap returns the message alone.
func (e *ParseError) Unwrap() error { return e.Err }

// PhaseVariable stands for the length of a phase in expressions.
const PhaseVariable = "$phase"

// Check parses an expression, with PhaseVariable in it or without. Its errors are one or more *ParseError, joined.
func Check(expr string) error {
	p := parser.NewParser(parser.Options{EnableExtendedRangeSelectors: true})
	// A duration of as many characters keeps the positions.
	_, err := p.ParseExpr(strings.ReplaceAll(expr, PhaseVariable, fmt.Sprintf("%0*ds", len(PhaseVariable)-1, 1)))
	return positioned(expr, err)
}

func positioned(expr string, err error) error {
	var parse parser.ParseErrors
	if !errors.As(err, &parse) {
		return err
	}
	var errs []error
	for _, e := range parse {
		at := min(max(int(e.PositionRange.Start), 0), len(expr))
		before := expr[:at]
		errs = append(errs, &ParseError{
			Expr: expr, Line: 1 + strings.Count(before, "\n"), Col: at - strings.LastIndexByte(before, '\n'), Err: e.Err,
		})
	}
	return errors.Join(errs...)
}

// Query evaluates an expression at a time.
func (s *Store) Query(ctx context.Context, expr string, at time.Time) (Value, error) {
	return s.collect(ctx, expr, func() (promql.Query, error) { return s.engine.NewInstantQuery(ctx, s.db, nil, expr, at) })
}

// Range evaluates an expression at start, start+step, ... up to end. step > 0.
func (s *Store) Range(ctx context.Context, expr string, start, end time.Time, step time.Duration) (Value, error) {
	return s.collect(ctx, expr, func() (promql.Query, error) {
		return s.engine.NewRangeQuery(ctx, s.db, nil, expr, start, end, step)
	})
}

// Phase evaluates an expression at the end of a phase, with $phase as its length, and exactly: increase, rate, delta, changes
// and resets of a range go by the values that held at its edges and extrapolate nothing.
func (s *Store) Phase(ctx context.Context, expr string, from, to time.Time) (Value, error) {
	if err := Check(expr); err != nil {
		return Value{}, err
	}
	tree, err := s.parser.ParseExpr(strings.ReplaceAll(expr, PhaseVariable, fmt.Sprintf("%dms", to.Sub(from).Milliseconds())))
	if err != nil {
		return Value{}, positioned(expr, err)
	}
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		if call, ok := node.(*parser.Call); ok {
			anchor(call)
		}
		return nil
	})
	return s.Query(ctx, tree.String(), to)
}

func anchor(call *parser.Call) {
	if _, can := promql.AnchoredSafeFunctions[call.Func.Name]; !can {
		return
	}
	for _, arg := range call.Args {
		if matrix, ok := arg.(*parser.MatrixSelector); ok {
			if vector, ok := matrix.VectorSelector.(*parser.VectorSelector); ok && !vector.Smoothed {
				vector.Anchored = true
			}
		}
	}
}

func (s *Store) collect(ctx context.Context, expr string, prepare func() (promql.Query, error)) (Value, error) {
	query, err := prepare()
	if err != nil {
		return Value{}, positioned(expr, err)
	}
	defer query.Close()
	result := query.Exec(ctx)
	if result.Err != nil {
		return Value{}, result.Err
	}
	return convert(result)
}
