// Package bookinfo is the reference app that squall's meshes carry: a book shop page made of four small services.
//
//	productpage ──► details
//	           └──► reviews (v2, v3) ──► ratings
//
// Beside the four stand tcp-echo, a line echo for TCP routing, and the backend of package [backend], whose every answer
// a test can hold or script. One binary plays any role: [Serve] runs the one it is given. Rules that people have written
// for Istio's sample of the same name work unchanged, as paths, ports, headers, error bodies and time-outs are the same.
//
// [Files] holds what a platform needs to place the apps: App files, Kubernetes manifests and the well-known rule sets.
//
// # Environment
//
// A service reads its environment through [Options].Env and nothing else:
//
//	WORKLOAD_NAME, POD_NAME, HOSTNAME     who it says it is; the first that is set
//	SERVICE_VERSION                       version; chooses the faulty variants of ratings
//	CLUSTER_NAME                          reported by reviews
//	SERVICES_DOMAIN                       suffix of every service name, without the leading dot; none by default
//	{DETAILS,REVIEWS,RATINGS}_HOSTNAME    names of the services called; details, reviews and ratings by default
//	{DETAILS,REVIEWS,RATINGS}_SERVICE_PORT  their ports; 9080 by default
//	ENABLE_RATINGS, STAR_COLOR            reviews: call ratings when "true"; black (default) or red
//	FLOOD_FACTOR                          productpage: that many more calls to reviews per page; 0 by default
//	DB_TYPE, MONGO_DB_URL, MYSQL_DB_HOST, MYSQL_DB_PORT  ratings v2: where its database is
//	ENABLE_EXTERNAL_BOOK_SERVICE, DO_NOT_ENCRYPT  details v2: ask a public book service, over plain HTTP if "true"
//	TCP_ECHO_PREFIX                       tcp-echo: the word before each line; "hello" by default
//	HTTP_PROXY, HTTPS_PROXY, NO_PROXY     upper or lower case, with their usual meaning, for every call made
//
// A port variable may also be a URL such as tcp://198.18.32.7:9080, the form that Kubernetes gives to variables of the
// same name; its port is what counts.
//
// No service pools its outbound connections: a call is one connection, so a broken connection is one failed call and
// never a silent second try.
package bookinfo
