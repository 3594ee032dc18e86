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
INGRESS = ("networking.k8s.io", "Ingress")
JOB = ("batch", "Job")
SECRET = ("", "Secret")
ENDPOINTS = ("", "Endpoints")
API_SERVICE = ("apiregistration.k8s.io", "APIService")
PROJECT = ("project.openshift.io", "Project")
"""OpenShift's other name for a Namespace."""
