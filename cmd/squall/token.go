package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/mesh/policy/token"
)

func newTokenCommand(env *environment) *cobra.Command {
	var key, issuer, subject string
	var audiences, claims []string
	var expires time.Duration
	var jwks bool
	c := &cobra.Command{
		Use:   "token --key FILE [--subject S] [--claim NAME=VALUE] | token --key FILE --jwks",
		Short: "Make a test token of an end user, or print the keys that check it",
		Long: `Make a token (JWT, ES256) for tests, signed with the key in a file, which is made if it is not there, for this user alone.

With --jwks it prints the public key in the form that a RequestAuthentication takes (spec.jwtRules[].jwks).

Exit codes: 0 printed, 3 a bad flag or a key that is not usable.`,
		Example: `  squall token --key issuer.pem --jwks
  squall token --key issuer.pem --subject alice --audience shop --claim 'groups=["admins"]' --expires 1h`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if key == "" {
				return invalid(errors.New("which key? say --key FILE; it is made if it is not there"))
			}
			if expires <= 0 {
				return invalid(errors.New("--expires must be a time to come, such as 1h"))
			}
			content, err := tokenClaims(issuer, subject, audiences, claims)
			if err != nil {
				return invalid(err)
			}
			i, err := token.Open(key)
			if err != nil {
				return invalid(err)
			}
			out, err := i.JWKS()
			if !jwks {
				now := time.Now()
				out, err = i.Mint(content, now, now.Add(expires))
			}
			if err != nil {
				return broken(err)
			}
			_, err = fmt.Fprintln(env.stdout, out)
			return err
		},
	}
	c.Flags().StringVar(&key, "key", "", "file of the private key; made if it is not there")
	c.Flags().BoolVar(&jwks, "jwks", false, "print the public key as a JWKS, and no token")
	c.Flags().StringVar(&issuer, "issuer", "https://issuer.squall.test", "claim iss")
	c.Flags().StringVar(&subject, "subject", "tester", "claim sub")
	c.Flags().StringArrayVar(&audiences, "audience", nil, "claim aud; may be repeated")
	c.Flags().StringArrayVar(&claims, "claim", nil, "another claim, NAME=VALUE; the value is JSON, or else a text; may be repeated")
	c.Flags().DurationVar(&expires, "expires", time.Hour, "how long the token holds")
	return c
}

func tokenClaims(issuer, subject string, audiences, claims []string) (map[string]any, error) {
	out := map[string]any{"iss": issuer, "sub": subject}
	if len(audiences) > 0 {
		out["aud"] = audiences
	}
	for _, c := range claims {
		name, text, found := strings.Cut(c, "=")
		switch name {
		case "iss", "sub", "aud", "exp", "iat":
			return nil, fmt.Errorf("--claim %s: it has a flag of its own", name)
		}
		if !found || name == "" {
			return nil, fmt.Errorf("--claim %s: write NAME=VALUE", c)
		}
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			value = text
		}
		out[name] = value
	}
	return out, nil
}
