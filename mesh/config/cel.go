package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/scanner"
)

// celType is what an expression gives.
type celType string

const (
	celString celType = "a text"
	celInt    celType = "a number"
	celBool   celType = "true or false"
	celMap    celType = "a map of headers"
	celList   celType = "a list"
	// celAny is of what was wrong already.
	celAny celType = ""
)

// celAttributes are those of requests that Envoy knows and whose types are sure.
// Source: https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/advanced/attributes
var celAttributes = map[string]celType{
	"request.path": celString, "request.url_path": celString, "request.host": celString, "request.scheme": celString, "request.method": celString,
	"request.headers": celMap, "request.referer": celString, "request.useragent": celString, "request.id": celString, "request.protocol": celString,
	"request.query": celString, "request.size": celInt, "request.total_size": celInt,
	"response.code": celInt, "response.code_details": celString, "response.flags": celInt, "response.grpc_status": celInt, "response.headers": celMap,
	"response.trailers": celMap, "response.size": celInt, "response.total_size": celInt,
	"connection.mtls": celBool, "connection.requested_server_name": celString, "connection.tls_version": celString,
	"connection.uri_san_peer_certificate": celString, "connection.uri_san_local_certificate": celString, "connection.termination_details": celString,
	"source.address": celString, "source.port": celInt, "destination.address": celString, "destination.port": celInt,
	"upstream.address": celString, "upstream.port": celInt, "upstream.transport_failure_reason": celString,
}

// celMethods are those of texts.
var celMethods = []string{"contains", "endsWith", "matches", "startsWith"}

// celParser reads the part of CEL that rules about telemetry use. Envoy evaluates it; what it would refuse, or what could never be, is
// found here.
type celParser struct {
	s   scanner.Scanner
	tok rune
	err error
	// hint says what to do about the error.
	hint string
	// indexed says that what was read last ended in brackets.
	indexed bool
}

// checkCEL gives the type of an expression, or says what is wrong with it and what to do.
func checkCEL(text string) (t celType, hint string, err error) {
	if strings.TrimSpace(text) == "" {
		return celAny, "", errors.New("the expression is empty")
	}
	if strings.Contains(text, "%") {
		return celAny, "", errors.New("an expression with % is not supported here")
	}
	// Its texts have single quotes as well, which the scanner takes for runes.
	quoted, err := celQuotes(text)
	if err != nil {
		return celAny, "", err
	}
	p := &celParser{}
	p.s.Init(strings.NewReader(quoted))
	p.s.Mode = scanner.ScanIdents | scanner.ScanInts | scanner.ScanFloats | scanner.ScanStrings
	p.s.Error = func(_ *scanner.Scanner, msg string) { p.fail("", "%s", msg) }
	p.next()
	t = p.expr()
	if p.err == nil && p.tok != scanner.EOF {
		p.fail("", "%q was not expected there", p.s.TokenText())
	}
	return t, p.hint, p.err
}

// celQuotes writes all texts with double quotes.
func celQuotes(text string) (string, error) {
	var b strings.Builder
	var quote byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && quote != 0 && i+1 < len(text):
			b.WriteByte(c)
			i++
			b.WriteByte(text[i])
		case c == quote && quote != 0:
			quote = 0
			b.WriteByte('"')
		case quote == '\'' && c == '"':
			b.WriteString(`\"`)
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
			b.WriteByte('"')
		default:
			b.WriteByte(c)
		}
	}
	if quote != 0 {
		return "", errors.New("a text does not end")
	}
	return strings.ReplaceAll(b.String(), `\'`, `'`), nil
}

func (p *celParser) next() { p.tok = p.s.Scan() }

func (p *celParser) fail(hint, format string, args ...any) celType {
	if p.err == nil {
		p.err, p.hint = fmt.Errorf(format, args...), hint
	}
	p.tok = scanner.EOF
	return celAny
}

// take goes on behind an operator of one or two runes.
func (p *celParser) take(op string) bool {
	if p.tok != rune(op[0]) || len(op) == 2 && p.s.Peek() != rune(op[1]) {
		return false
	}
	if len(op) == 1 && strings.ContainsRune("<>!", p.tok) && p.s.Peek() == '=' {
		return false
	}
	for range op {
		p.next()
	}
	return true
}

func (p *celParser) expect(op string) {
	if p.err == nil && !p.take(op) {
		p.fail("", "%q was expected before %q", op, p.s.TokenText())
	}
}

func (p *celParser) want(got, want celType, what string) {
	if got != want && got != celAny && p.err == nil {
		p.fail("", "%s must be %s, and is %s", what, want, got)
	}
}

func (p *celParser) expr() celType {
	t := p.or()
	if !p.take("?") {
		return t
	}
	p.want(t, celBool, "what is before ?")
	a := p.expr()
	p.expect(":")
	p.want(p.expr(), a, "both sides of :")
	return a
}

func (p *celParser) or() celType  { return p.chain("||", p.and) }
func (p *celParser) and() celType { return p.chain("&&", p.relation) }

func (p *celParser) chain(op string, part func() celType) celType {
	t := part()
	for p.err == nil && p.take(op) {
		p.want(t, celBool, "both sides of "+op)
		p.want(part(), celBool, "both sides of "+op)
	}
	return t
}

func (p *celParser) relation() celType {
	left := p.unary()
	if p.tok == scanner.Ident && p.s.TokenText() == "in" {
		p.next()
		if right := p.unary(); right != celList && right != celMap && right != celAny {
			return p.fail("", "what follows in must be a list or headers, and is %s", right)
		}
		return celBool
	}
	for _, op := range []string{"==", "!=", "<=", ">=", "<", ">"} {
		if p.err != nil || !p.take(op) {
			continue
		}
		right := p.unary()
		if left != right && left != celAny && right != celAny {
			hint := ""
			if left == celInt && right == celString {
				hint = "write the number without quotes"
			}
			return p.fail(hint, "%s is compared with %s, which is never so", left, right)
		}
		if (left == celBool || left == celMap || left == celList) && op != "==" && op != "!=" {
			return p.fail("", "%s cannot be compared by %s", left, op)
		}
		return celBool
	}
	return left
}

func (p *celParser) unary() celType {
	switch {
	case p.take("!"):
		p.want(p.unary(), celBool, "what follows !")
		return celBool
	case p.take("-"):
		p.want(p.unary(), celInt, "what follows -")
		return celInt
	}
	t := p.primary()
	for p.err == nil {
		switch {
		case p.take("."):
			name := p.s.TokenText()
			if t != celString || !slices.Contains(celMethods, name) {
				return p.fail(DidYouMean(name, celMethods), "%s has no %q", t, shorten(name))
			}
			p.next()
			p.expect("(")
			p.want(p.expr(), celString, "the argument of "+name)
			p.expect(")")
			t = celBool
		case p.take("["):
			if t != celMap {
				return p.fail("", "%s has no members in brackets", t)
			}
			p.want(p.expr(), celString, "the name of a header")
			p.expect("]")
			t, p.indexed = celString, true
		default:
			return t
		}
	}
	return celAny
}

func (p *celParser) primary() celType {
	text := p.s.TokenText()
	switch p.tok {
	case scanner.String:
		if _, err := strconv.Unquote(text); err != nil {
			return p.fail("", "the text %s has an escape that is not known", shorten(text))
		}
		p.next()
		return celString
	case scanner.Int:
		p.next()
		return celInt
	case scanner.Float:
		return p.fail("", "%s: attributes are whole numbers", text)
	case '(':
		p.next()
		t := p.expr()
		p.expect(")")
		return t
	case '[':
		p.next()
		for p.err == nil && !p.take("]") {
			p.expr()
			if p.tok != ']' {
				p.expect(",")
			}
		}
		return celList
	case scanner.Ident:
		return p.name(text)
	case scanner.EOF:
		return p.fail("", "the expression ends too early")
	}
	return p.fail("", "%q was not expected there", text)
}

// name reads an attribute, has(attribute), true or false.
func (p *celParser) name(text string) celType {
	p.next()
	p.indexed = false
	switch text {
	case "true", "false":
		return celBool
	case "has":
		p.expect("(")
		p.expr()
		if p.indexed {
			return p.fail("write 'x-name' in request.headers", "has() takes an attribute, not a header in brackets")
		}
		p.expect(")")
		return celBool
	}
	names := slices.Sorted(maps.Keys(celAttributes))
	if !p.take(".") {
		return p.fail(DidYouMean(text, names), "there is no attribute %q", shorten(text))
	}
	full := text + "." + p.s.TokenText()
	t, known := celAttributes[full]
	if !known {
		return p.fail(DidYouMean(full, names), "there is no attribute %q here", shorten(full))
	}
	p.next()
	if t == celMap && p.take(".") { // request.headers.host, as for a name without a dash
		if p.tok != scanner.Ident {
			return p.fail("", "a header's name was expected before %q", p.s.TokenText())
		}
		p.next()
		return celString
	}
	return t
}
