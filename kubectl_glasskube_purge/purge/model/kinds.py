"""Kubernetes kinds that a purge has to tell apart, as `(group, kind)`."""

from __future__ import annotations

NAMESPACE = ("", "Namespace")
POD = ("", "Pod")
CLAIM = ("", "PersistentVolumeClaim")
VOLUME = ("", "PersistentVolume")
DEPLOYMENT = ("apps", "Deployment")
DEFINITION = ("apiextensions.k8s.io", "CustomResourceDefinition")
WEBHOOK = ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration")
CLUSTER_ROLE = ("rbac.authorization.k8s.io", "ClusterRole")
BINDINGS = (("rbac.authorization.k8s.io", "ClusterRoleBinding"), ("rbac.authorization.k8s.io", "RoleBinding"))
INGRESS_CLASS = ("networking.k8s.io", "IngressClass")
GATEWAY_CLASS = ("gateway.networking.k8s.io", "GatewayClass")
GATEWAY = ("gateway.networking.k8s.io", "Gateway")
STORAGE_CLASS = ("storage.k8s.io", "StorageClass")
CSI_DRIVER = ("storage.k8s.io", "CSIDriver")
RUNTIME_CLASS = ("node.k8s.io", "RuntimeClass")
PRIORITY_CLASS = ("scheduling.k8s.io", "PriorityClass")
AUTOSCALER = ("autoscaling", "HorizontalPodAutoscaler")
INGRESS = ("networking.k8s.io", "Ingress")
JOB = ("batch", "Job")
SECRET = ("", "Secret")
SERVICE = ("", "Service")
ENDPOINTS = ("", "Endpoints")
API_SERVICE = ("apiregistration.k8s.io", "APIService")
PROJECT = ("project.openshift.io", "Project")
"""OpenShift's other name for a Namespace."""
