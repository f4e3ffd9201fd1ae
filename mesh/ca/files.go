package ca

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The files of an authority, by the names that Istio gives them.
const (
	rootFile   = "root-cert.pem"
	issuerFile = "ca-cert.pem"
	keyFile    = "ca-key.pem"
	chainFile  = "cert-chain.pem"
)

const certificateBlock = "CERTIFICATE"

func encode(list ...*x509.Certificate) []byte {
	var out bytes.Buffer
	for _, c := range list {
		_ = pem.Encode(&out, &pem.Block{Type: certificateBlock, Bytes: c.Raw}) // a buffer takes all
	}
	return out.Bytes()
}

// ParseCertificates reads one or more certificates in PEM.
func ParseCertificates(data []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != certificateBlock {
			return nil, fmt.Errorf("it holds a %s where only certificates belong", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, errors.New("it holds no certificate")
	}
	return out, nil
}

// read takes the authority of the folder; false says that there is none.
func (a *Authority) read() (bool, error) {
	in := func(name string) string { return filepath.Join(a.opts.Dir, name) }
	if _, err := os.Stat(in(issuerFile)); errors.Is(err, fs.ErrNotExist) {
		if info, err := os.Stat(in(keyFile)); err == nil && info.Mode().IsRegular() {
			return false, fmt.Errorf("%s is there and %s is not: the files of an authority belong together", in(keyFile), issuerFile)
		}
		return false, nil
	}
	certificates := func(name string) ([]*x509.Certificate, error) {
		data, err := os.ReadFile(in(name))
		if err != nil {
			return nil, fmt.Errorf("authority: %w", err)
		}
		list, err := ParseCertificates(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", in(name), err)
		}
		return list, nil
	}
	issuers, err := certificates(issuerFile)
	if err != nil {
		return false, err
	}
	roots, err := certificates(rootFile)
	if err != nil {
		return false, err
	}
	a.issuer, a.roots = issuers[0], roots
	if _, err := os.Stat(in(chainFile)); err == nil {
		chain, err := certificates(chainFile)
		if err != nil {
			return false, err
		}
		for _, c := range chain { // Istio's holds the issuer and often the root as well
			if !c.Equal(a.issuer) && !bytes.Equal(c.RawSubject, c.RawIssuer) {
				a.chain = append(a.chain, c)
			}
		}
	}
	if a.key, err = readKey(in(keyFile)); err != nil {
		return false, err
	}
	return true, a.consistent()
}

func readKey(file string) (crypto.Signer, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (%s): chmod 600 %s", file, info.Mode().Perm(), file)
	}
	data, err := os.ReadFile(file) //nolint:gosec // the user names the folder
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	key, err := parseKey(data)
	if err != nil { // its text may hold parts of the key: left out
		return nil, fmt.Errorf("%s: it holds no private key that is understood (PEM; PKCS #8, EC or PKCS #1)", file)
	}
	return key, nil
}

func parseKey(data []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("no PEM")
	}
	if k, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return k, nil
	}
	if k, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return k, nil
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	signer, ok := k.(crypto.Signer)
	if !ok {
		return nil, errors.New("it cannot sign")
	}
	return signer, nil
}

// consistent holds that key, issuer, chain and root belong together, so that no certificate is issued that nobody accepts.
func (a *Authority) consistent() error {
	public, ok := a.key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(a.issuer.PublicKey) {
		return fmt.Errorf("%s: %s does not belong to %s", a.opts.Dir, keyFile, issuerFile)
	}
	if !a.issuer.IsCA {
		return fmt.Errorf("%s: %s may not sign certificates (no CA)", a.opts.Dir, issuerFile)
	}
	roots, middle := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range a.roots {
		roots.AddCert(c)
	}
	for _, c := range a.chain {
		middle.AddCert(c)
	}
	_, err := a.issuer.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: middle, CurrentTime: a.opts.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return fmt.Errorf("%s: %s does not lead to %s: %w", a.opts.Dir, issuerFile, rootFile, err)
	}
	return nil
}

// write keeps what was made. The key comes last but one: a folder is whole when ca-cert.pem is there, which read looks for.
func (a *Authority) write() error {
	if err := os.MkdirAll(a.opts.Dir, 0o700); err != nil {
		return fmt.Errorf("folder of the authority: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return fmt.Errorf("authority: %w", err)
	}
	for _, f := range []struct {
		name string
		data []byte
	}{
		{rootFile, encode(a.roots...)},
		{chainFile, encode(append([]*x509.Certificate{a.issuer}, a.chain...)...)},
		{keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})},
		{issuerFile, encode(a.issuer)},
	} {
		if err := writeWhole(filepath.Join(a.opts.Dir, f.name), f.data); err != nil {
			_ = os.Remove(filepath.Join(a.opts.Dir, keyFile)) // half an authority is none
			return fmt.Errorf("authority: %w", err)
		}
	}
	return nil
}

// writeWhole writes a file for this user alone, all of it or nothing: what was there before stays if the disk is full.
func writeWhole(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
