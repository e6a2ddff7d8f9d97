package callbacktest

import "github.com/antiphon-go/antiphon/callback"

// bentBrokers are mistakes about addresses, groups and settling.
var bentBrokers = []mistake{
	{name: "gives an address twice", rule: "Addresses", open: brokers("gives an address twice", callback.Caps{})},
	{name: "delivers to every inbox", rule: "Addresses", open: brokers("delivers to every inbox", callback.Caps{})},
	{name: "shows askers each other's answers", rule: "TwoAskers", open: brokers("delivers to every inbox", callback.Caps{})},
	{name: "sends an answer where it was asked, wherever it is for", rule: "AnswerElsewhere", open: brokers("delivers an answer by its id", callback.Caps{})},
	{name: "shares a message between listeners", rule: "Names", open: brokers("shares a message between listeners", callback.Caps{})},
	{name: "gives a message to one of all listeners", rule: "Names", open: brokers("gives a message to one of all listeners", callback.Caps{})},
	{name: "gives a message to everybody in a group", rule: "Groups", open: brokers("gives a message to everybody in a group", callback.Caps{})},
	{name: "ignores the group", rule: "Groups", open: brokers("ignores the group", callback.Caps{})},
	{name: "keeps who has left a group", rule: "Groups", open: brokers("keeps who has left a group", callback.Caps{})},
	{name: "ends a group with its first member", rule: "Groups", open: brokers("ends a group with its first member", callback.Caps{})},
	{name: "takes a failure for a success", rule: "Settles", open: brokers("takes a failure for a success", callback.Caps{SettledDelivery: true})},
	{name: "fails to settle", rule: "Settles", open: brokers("fails to settle", callback.Caps{SettledDelivery: true})},
	{name: "forgets what was not settled", rule: "Redelivers", open: brokers("forgets what was not settled", callback.Caps{SettledDelivery: true})},
	{name: "hands out again what was settled", rule: "Redelivers", open: brokers("takes no settlement", callback.Caps{SettledDelivery: true})},
	{name: "loses the request of one who crashed", rule: "CrashBeforeAnswer", open: brokers("forgets what was not settled", callback.Caps{SettledDelivery: true})},
	{name: "promises to bounce, and does not", rule: "NobodyThere", open: brokers("bounces nothing", callback.Caps{Bounces: true})},
	{name: "says that what is unknown was not accepted", rule: "NobodyThere", open: brokers("says that what it sent was not accepted", callback.Caps{})},
	{name: "loses a cancel in a group", rule: "CancelInGroup", open: brokers("loses cancels", callback.Caps{})},
	{name: "insists on a field of its own in an answer", rule: "ForeignAnswers", open: brokers("insists on a deadline", callback.Caps{})},
	{name: "insists on a field of its own in a request", rule: "ForeignAsks", open: brokers("insists on a deadline", callback.Caps{})},
}
