// Package natscluster tests natsqueue and natscallback on a cluster of three servers:
// the suite of backends and the law on a bucket of three replicas, servers and clients
// that are parted while jobs are submitted, worked on and awaited, servers that are
// killed, and peers whose servers end.
//
//	go test ./natscluster -run ServersAreKilled -args -kills 10
package natscluster
