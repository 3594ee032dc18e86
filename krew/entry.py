"""The executable's first line: PyInstaller starts a script, and the package's own entry is a module."""

from kubectl_glasskube_purge.__main__ import main

main()
