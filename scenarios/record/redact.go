package record

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// redacted stands for what was taken out.
const redacted = "[redacted]"

// secretWords make a header's or a tag's value a secret when its name has one of them.
var secretWords = []string{"authorization", "cookie", "jwt", "token", "secret", "password", "passwd", "api-key", "apikey", "credential", "session"}

// secretText finds secrets in running text; the group named keep stays.
var secretText = []*regexp.Regexp{
	// A header with its value, as in a log: authorization: Bearer abc, "cookie": "a=b; c=d".
	regexp.MustCompile(`(?i)(?P<keep>\b(?:proxy-)?authorization["']?\s*[:=]\s*["']?)(?:(?:bearer|basic|digest|negotiate)\s+)?[^\s"',;]+`),
	regexp.MustCompile(`(?i)(?P<keep>\b(?:set-)?cookie["']?\s*[:=]\s*["']?)[^\s"',;]+(?:;\s*[^\s"',;]+)*`),
	regexp.MustCompile(`(?i)(?P<keep>\b[a-z-]*(?:api-?key|password|passwd|secret|(?:access|id|refresh|auth)[_-]token|jwt-(?:assertion|payload))["']?\s*[:=]\s*["']?)[^\s"',;&]+`),
	// A token in a URL's query.
	regexp.MustCompile(`(?i)(?P<keep>[?&](?:token|jwt|code|session)=)[^\s"'&#]+`),
	// Credentials of a scheme, and a JSON web token by its shape.
	regexp.MustCompile(`(?i)(?P<keep>\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{12,}`),
	regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?`),
}

// hints are words, in lower case, of which every text with a secret has one. Most texts have none, and most of the time that writing a
// record took went into expressions that found nothing.
var hints = []string{"authorization", "cookie", "api-key", "apikey", "passw", "secret", "token", "jwt", "code=", "session=", "bearer", "basic", "eyj"}

// mayHold tells whether a text may hold a secret. Letters beyond ASCII may stand for others: they are left to the expressions.
func mayHold(s string) bool {
	if strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return true
	}
	s = strings.ToLower(s)
	return slices.ContainsFunc(hints, func(word string) bool { return strings.Contains(s, word) })
}

// Redact takes secrets out of running text: credentials, cookies, tokens.
func Redact(s string) string {
	if !mayHold(s) {
		return s
	}
	return redactedText(s)
}

func redactedText(s string) string {
	for _, re := range secretText {
		keep := ""
		if re.NumSubexp() > 0 {
			keep = "${keep}"
		}
		s = re.ReplaceAllString(s, keep+redacted)
	}
	return s
}

// RedactHeader gives a header's or a tag's value as it may be shown.
func RedactHeader(name, value string) string {
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	if slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) }) {
		return redacted
	}
	return Redact(value)
}
