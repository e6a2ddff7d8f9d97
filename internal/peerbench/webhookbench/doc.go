// Package webhookbench has the benchmarks of package webhook beside those of other
// libraries.
package webhookbench
