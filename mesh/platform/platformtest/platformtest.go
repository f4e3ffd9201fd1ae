// Package platformtest holds what every platform must do: cases over a running deployment, and deployments that are broken on purpose,
// which the cases must reject.
package platformtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/telemetry/collect"
)

// App is what the deployment under test must run: the built-in backend, behind a gateway on port 8080 without retries, its proxies with the
// relays between everybody and Workload.
const (
	// Workload is one of the app's Deployments, the only one behind Service.
	Workload = "backend-v1"
	Service  = "backend"
	port     = 8080
)

// Case is something that a platform must do.
type Case struct {
	Name  string
	Check func(context.Context, platform.Deployment) error
}

// Cases are those that hold for every platform, in an order in which they can run on one deployment.
func Cases() []Case {
	return []Case{
		{"started", started},
		{"capture", capture},
		{"telemetry", complete},
		{"identity", identity},
		{"kill", killed},
		{"pause", paused},
		{"network", network},
		{"control plane", withoutControlPlane},
	}
}

// settleTime bounds how long something that must come may take, pause how long a hanging app is waited for.
const (
	settleTime = 10 * time.Second
	hang       = 500 * time.Millisecond
)

// Page asks the gateway once, and gives the answer's status.
func Page(ctx context.Context, d platform.Deployment) (int, error) {
	return get(ctx, d.Dial(nil), fmt.Sprintf("http://%s:%d/", d.GatewayAddress(), port), "")
}

// request ids are those of the callers, by which the ledger is asked.
func get(ctx context.Context, dial platform.Dial, url, id string) (int, error) {
	transport := &http.Transport{DisableKeepAlives: true}
	if dial != nil {
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			return dial(ctx, network, address)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, err
	}
	if id != "" {
		req.Header.Set("X-Request-Id", id)
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, errors.Join(err, resp.Body.Close())
}

// started: workloads with addresses, whose proxies are ready, and a page.
func started(ctx context.Context, d platform.Deployment) error {
	list := d.Instances()
	if len(list) < 2 || list[0].Owner != platform.GatewayName {
		return fmt.Errorf("the gateway comes first, and the app after it: %d instances", len(list))
	}
	for _, i := range list {
		if net.ParseIP(i.Address) == nil {
			return fmt.Errorf("%s has no address: %q", i.Name, i.Address)
		}
		if err := i.Admin().Ready(ctx); err != nil {
			return fmt.Errorf("%s: %w", i.Name, err)
		}
	}
	return wants(ctx, d, http.StatusOK)
}

// wants asks for a page until it has a status.
func wants(ctx context.Context, d platform.Deployment, status int) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for {
		got, err := Page(ctx, d)
		if err == nil && got == status {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the page has status %d and not %d (%w)", got, status, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// capture: what a workload's app sends goes through its own sidecar, and what comes for the callee through that one's.
func capture(ctx context.Context, d platform.Deployment) error {
	from, ok := d.Instance(Workload)
	if !ok {
		return fmt.Errorf("there is no %s", Workload)
	}
	address, err := d.Reach(ctx, from, Service, port, true)
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	dial := d.Dial(from)
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) { return dial(ctx, network, address) }
	id := "11111111-1111-4111-8111-111111111111"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s:%d/", Service, port), http.NoBody)
	if err != nil {
		return err
	}
	if strings.HasPrefix(from.Address, "127.") { // to its sidecar as a proxy
		req.URL.Opaque = fmt.Sprintf("http://%s:%d/", Service, port)
	}
	req.Header.Set("X-Request-Id", id)
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("a call from %s to %s has status %d", Workload, Service, resp.StatusCode)
	}
	return sides(ctx, d.Collected(), from.ID())
}

// sides waits until a proxy has logged a request that it took from its app.
func sides(ctx context.Context, c *collect.Collector, proxy string) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for {
		sent, taken := false, false
		for _, h := range c.Ledger.All() {
			sent = sent || h.Proxy == proxy && h.Direction == telemetry.Outbound
			taken = taken || h.Direction == telemetry.Inbound
		}
		if sent && taken {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the call went past a sidecar: logged by the caller's %t, by the callee's %t", sent, taken)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// complete: every request is logged by the gateway.
func complete(ctx context.Context, d platform.Deployment) error {
	var ids []string
	for n := range 20 {
		id := fmt.Sprintf("22222222-2222-4222-8222-%012d", n)
		ids = append(ids, id)
		if _, err := get(ctx, d.Dial(nil), fmt.Sprintf("http://%s:%d/", d.GatewayAddress(), port), id); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	if missing := d.Collected().Ledger.Wait(ctx, ids, d.Instances()[0].ID()); len(missing) > 0 {
		return fmt.Errorf("the gateway's log lacks %d of %d requests", len(missing), len(ids))
	}
	return nil
}

// strict lets in whom the authority knows, and nobody else.
const strict = `{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: platformtest}, spec: {mtls: {mode: STRICT}}}`

// identity: a workload has its own identity, by which its peers know it, and cannot have another's.
func identity(ctx context.Context, d platform.Deployment) (err error) {
	who, ok := d.Instance(Workload)
	if !ok {
		return fmt.Errorf("there is no %s", Workload)
	}
	if err := d.Ask(ctx, who, who.Namespace, who.ServiceAccount); err != nil {
		return fmt.Errorf("%s does not get its own identity: %w", Workload, err)
	}
	for _, other := range []string{platform.GatewayName, who.ServiceAccount + "-of-another"} {
		if d.Ask(ctx, who, who.Namespace, other) == nil {
			return fmt.Errorf("%s gets a certificate of %s/%s", Workload, who.Namespace, other)
		}
	}
	if d.Ask(ctx, who, "another", who.ServiceAccount) == nil {
		return fmt.Errorf("%s gets a certificate of another namespace", Workload)
	}
	if _, err := d.Client().Apply(ctx, mesh.ApplyRequest{Files: []config.File{{Name: "strict.yaml", Data: []byte(strict)}}}); err != nil {
		return err
	}
	defer func() {
		_, e := d.Client().Apply(ctx, mesh.ApplyRequest{Remove: []mesh.Reference{{Kind: "PeerAuthentication", Namespace: "default", Name: "platformtest"}}})
		err = errors.Join(err, e)
	}()
	if err := wants(ctx, d, http.StatusOK); err != nil {
		return fmt.Errorf("the gateway is not let in by its certificate: %w", err)
	}
	if len(who.Inbound) == 0 {
		return fmt.Errorf("%s accepts nothing", Workload)
	}
	at := who.Inbound[0].Listen
	if at == (model.Socket{}) {
		at = model.Socket{Address: who.Address, Port: who.Inbound[0].App.Port}
	}
	status, err := get(ctx, d.Dial(nil), fmt.Sprintf("http://%s:%d/", at.Address, at.Port), "")
	if err == nil {
		return fmt.Errorf("plain text is let in under STRICT: status %d", status)
	}
	return nil
}

// broken breaks something, wants a proof and an effect, and mends it.
func broken(ctx context.Context, d platform.Deployment, b platform.Breakage, effect func(context.Context) error) error {
	first, err := d.Break(ctx, "platformtest", b)
	if err != nil {
		return err
	}
	wrong := effect(ctx)
	second, err := d.Mend(ctx, "platformtest")
	if err == nil && wrong == nil && first+second == "" {
		wrong = errors.New("it left no evidence")
	}
	return errors.Join(wrong, err, wants(ctx, d, http.StatusOK))
}

func killed(ctx context.Context, d platform.Deployment) error {
	b := platform.Breakage{Kill: &platform.Processes{Workload: Workload}}
	return broken(ctx, d, b, func(ctx context.Context) error { return wants(ctx, d, http.StatusServiceUnavailable) })
}

// paused: connections are accepted, and nothing comes.
func paused(ctx context.Context, d platform.Deployment) error {
	b := platform.Breakage{Pause: &platform.Processes{Workload: Workload}}
	return broken(ctx, d, b, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, hang)
		defer cancel()
		if status, err := Page(ctx, d); !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("a paused app answers: status %d (%w)", status, err)
		}
		return nil
	})
}

// network: latency between gateway and app is what each page waits for.
func network(ctx context.Context, d platform.Deployment) error {
	f := &platform.NetworkFault{Pair: platform.Pair{From: platform.GatewayName, To: Workload}}
	f.Fault.Latency = 300 * time.Millisecond
	return broken(ctx, d, platform.Breakage{Network: f}, func(ctx context.Context) error {
		begin := time.Now()
		if status, err := Page(ctx, d); err != nil || status != http.StatusOK {
			return fmt.Errorf("status %d (%w)", status, err)
		}
		if took := time.Since(begin); took < f.Fault.Latency {
			return fmt.Errorf("the page took only %s", took)
		}
		return nil
	})
}

// withoutControlPlane: traffic goes on.
func withoutControlPlane(ctx context.Context, d platform.Deployment) error {
	return broken(ctx, d, platform.Breakage{ControlPlane: true}, func(ctx context.Context) error {
		asking, cancel := context.WithTimeout(ctx, hang)
		defer cancel()
		if _, err := d.Client().Status(asking); err == nil {
			return errors.New("a stopped control plane answers")
		}
		return wants(ctx, d, http.StatusOK)
	})
}
