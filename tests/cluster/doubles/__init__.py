"""Stand-ins for what runs on a cluster's node: the node itself and the controllers in its Pods.

Each is a process of its own that talks to the API server like the real thing
and does what the real thing was observed, and read, to do: finalizer for
finalizer, refusal for refusal. A double that is kinder than what it stands in
for is a defect.

    kubelet.py            the node: binds and runs Pods, routes Services, provisions volumes
    operator.py           Glasskube's package-operator (graph.py: dependencies; webhook.py: its server)
    certificates.py       Glasskube's job that makes the webhook's certificate
    gadget_operator.py    the operator of a package, whose own instances keep its finalizer
    helm_controller.py    Flux's helm-controller
    source_controller.py  Flux's source-controller
    catalog.py            the packages and charts that the above install
    runtime.py            what they share: client, informers, work queues
"""
