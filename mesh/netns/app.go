package netns

// AppService is the type of service (RFC 791) of connections that belong to the app although the sidecar's user makes them: the agent's,
// on behalf of a load. Any program may set it, and it is seen in the pod alone: the connection ends at the sidecar.
const AppService = 0x44
