"""The languages clients speak, each as pure translation: no sockets, no tasks, no store."""
