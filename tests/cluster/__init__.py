"""A real Kubernetes control plane to test on, with doubles for what no test machine runs.

A mock API server shows neither a stuck finalizer nor a webhook's refusal, the
garbage collector's order or a namespace that won't die. So the tests run
against etcd, kube-apiserver and kube-controller-manager as plain processes
(`build`, `controlplane`), with a stand-in for the node and for the controllers
that would run on it (`doubles`). `install` puts Glasskube and packages in,
`dump` compares a cluster before and after.

Nothing in this package needs pytest: the demo and the benchmarks use it as a
library. The fixtures are in `tests/conftest.py`.
"""
