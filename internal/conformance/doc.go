// Package conformance checks that ours and what nobody here wrote understand each other:
// package poller's server is followed by the Azure SDK's pollers, Terraform's, Google's
// client of long-running operations and curl, and its client reads what Google's encoder
// writes; the libraries of Standard Webhooks and of Stripe verify what package webhook
// signs, and the other way round.
//
// It is a module of its own, so that none of that is in anybody's module graph.
package conformance
