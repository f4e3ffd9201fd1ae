package ca

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// issuedFile notes each certificate that was issued and is still valid, since what nobody remembers nobody can revoke.
const issuedFile = "issued"

// ErrRevoked says that an identity gets no certificates any more.
var ErrRevoked = errors.New("the identity is revoked")

// issued is a certificate that was given out.
type issued struct {
	serial *big.Int
	id     string
	until  time.Time
	// revoked is when; zero for one that holds.
	revoked time.Time
}

// line is an entry of the file: serial, end, time of revocation (0 without), identity.
func (i *issued) line() string {
	revoked := int64(0)
	if !i.revoked.IsZero() {
		revoked = i.revoked.Unix()
	}
	return fmt.Sprintf("%s %d %d %s\n", i.serial.Text(16), i.until.Unix(), revoked, i.id)
}

// remember notes a certificate before it is given out.
func (a *Authority) remember(c *x509.Certificate) error {
	one := &issued{serial: c.SerialNumber, id: c.URIs[0].String(), until: c.NotAfter}
	if len(a.issued) >= a.sweepAt {
		a.sweep()
		if err := a.rewrite(); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(filepath.Join(a.opts.Dir, issuedFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(one.line())
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fmt.Errorf("a certificate that is not noted could not be revoked: %w", err)
	}
	a.issued = append(a.issued, one)
	return nil
}

const firstSweep = 4096

// sweep forgets certificates that ended.
func (a *Authority) sweep() {
	now := a.opts.Now()
	a.issued = slices.DeleteFunc(a.issued, func(i *issued) bool { return !now.Before(i.until) })
	a.sweepAt = max(firstSweep, 2*len(a.issued))
}

func (a *Authority) rewrite() error {
	var b bytes.Buffer
	for _, i := range a.issued {
		b.WriteString(i.line())
	}
	return writeWhole(filepath.Join(a.opts.Dir, issuedFile), b.Bytes())
}

// recall reads what was noted.
func (a *Authority) recall() error {
	a.sweepAt = firstSweep
	name := filepath.Join(a.opts.Dir, issuedFile)
	data, err := os.ReadFile(name) //nolint:gosec // the user names the folder
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("authority: %w", err)
	}
	if whole := bytes.LastIndexByte(data, '\n') + 1; whole < len(data) {
		// The disk was full: the certificate of half a line was not given out, and the next line must not be added to it.
		data = data[:whole]
		if err := writeWhole(name, data); err != nil {
			return fmt.Errorf("authority: %w", err)
		}
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		one, ok := parseIssued(lines.Text())
		if !ok {
			return fmt.Errorf("%s:%d: that is no certificate that was issued; without the file what was issued before cannot be revoked", name, n)
		}
		a.issued = append(a.issued, one)
	}
	a.sweep()
	return lines.Err()
}

func parseIssued(line string) (*issued, bool) {
	fields := strings.Fields(line)
	if len(fields) != 4 {
		return nil, false
	}
	serial, ok := new(big.Int).SetString(fields[0], 16)
	until, err := strconv.ParseInt(fields[1], 10, 64)
	revoked, err2 := strconv.ParseInt(fields[2], 10, 64)
	if !ok || err != nil || err2 != nil {
		return nil, false
	}
	out := &issued{serial: serial, id: fields[3], until: time.Unix(until, 0)}
	if revoked != 0 {
		out.revoked = time.Unix(revoked, 0)
	}
	return out, true
}

// Revoke gives these identities, SPIFFE ids, no certificates from now on, and others again; what they have is revoked for good. The list of all
// that is revoked and has not ended is given in PEM; empty without any.
func (a *Authority) Revoke(ids []string) (crl string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refused = map[string]bool{}
	for _, id := range ids {
		a.refused[id] = true
	}
	now, fresh := a.opts.Now(), false
	for _, i := range a.issued {
		if a.refused[i.id] && i.revoked.IsZero() {
			i.revoked, fresh = now, true
		}
	}
	if fresh {
		if err := a.rewrite(); err != nil {
			return "", fmt.Errorf("revocation: %w", err)
		}
	}
	return a.list()
}

// list is the revocation list of what was issued.
func (a *Authority) list() (string, error) {
	now := a.opts.Now()
	var entries []x509.RevocationListEntry
	for _, i := range a.issued {
		if !i.revoked.IsZero() && now.Before(i.until) {
			entries = append(entries, x509.RevocationListEntry{SerialNumber: i.serial, RevocationTime: i.revoked})
		}
	}
	if len(entries) == 0 {
		return "", nil
	}
	der, err := x509.CreateRevocationList(a.opts.Random, &x509.RevocationList{
		Number: big.NewInt(now.UnixNano()), ThisUpdate: now.Add(-skew), NextUpdate: a.issuer.NotAfter, RevokedCertificateEntries: entries,
	}, a.issuer, a.key)
	if err != nil {
		return "", fmt.Errorf("sign the revocation list: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})), nil
}

// Refused are the identities that get no certificates, sorted.
func (a *Authority) Refused() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Keys(a.refused))
}
