// Package natsd runs real NATS servers for tests: one server, a cluster of three with
// JetStream, in this process or each in one of its own, and proxies that part them from
// each other and from their clients.
//
//	s := natsd.Run(t, &natsd.Options{Dir: t.TempDir()})
//	nc, err := nats.Connect(s.URL())
//	s.Stop()
//	s.Start() // on its files and its port
//
// A server of a process of its own is this program started again: [Main] has to be
// called by TestMain. It ends with the program, however that ends.
//
//	func TestMain(m *testing.M) {
//		natsd.Main()
//		os.Exit(m.Run())
//	}
//
// All listen on the loopback, and have an owner: what is run for a test ends with it.
package natsd
