"""Kubernetes manifests from a training's configuration."""
