"""Words to a command to an exit code: options, arguments, screens. Nothing about Kubernetes."""
