"""Which libraries that are no Python packages may be in an archive, and under which licence.

PyInstaller takes along what the interpreter and the extension modules are linked
with. A library that isn't in this list stops the build: nobody would have read
its licence. The texts are in `licenses/`.
"""

from __future__ import annotations

import fnmatch
import platform
import ssl
import zlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Native:
    """One component."""

    name: str
    licence: str
    """SPDX identifier, and name of the text in `licenses/`."""
    copyright: str
    files: tuple[str, ...]
    """Patterns of the files that it is in, as a library of its own or linked into one."""
    version: str = ""
    """As far as the running interpreter tells."""


def components() -> tuple[Native, ...]:
    """All that are known, with the versions of this interpreter."""
    return (
        Native(
            "OpenSSL",
            "Apache-2.0",
            "Copyright The OpenSSL Project Authors",
            ("libssl*", "libcrypto*", "_ssl.*", "_hashlib.*", "_rust.*"),
            ssl.OPENSSL_VERSION.split()[1],
        ),
        Native(
            "zlib",
            "Zlib",
            "Copyright (C) Jean-loup Gailly and Mark Adler",
            ("libz.*", "zlib.*", "zlib1.dll"),
            zlib.ZLIB_RUNTIME_VERSION,
        ),
        Native(
            "bzip2",
            "bzip2-1.0.6",
            "Copyright (C) 1996-2019 Julian R Seward",
            ("libbz2*", "_bz2.*"),
        ),
        Native(
            "liblzma",
            "LicenseRef-public-domain",
            "By Lasse Collin and others",
            ("liblzma*", "_lzma.*"),
        ),
        Native(
            "libffi",
            "MIT",
            "Copyright (c) 1996-2024 Anthony Green, Red Hat, Inc and others",
            ("libffi*", "_ctypes.*", "_cffi_backend.*"),
        ),
        Native(
            "Expat",
            "MIT",
            "Copyright (c) 1998-2000 Thai Open Source Software Center Ltd and Clark Cooper; "
            "Copyright (c) 2001-2025 Expat maintainers",
            ("libexpat*", "pyexpat.*"),
        ),
        Native(
            "libmpdec",
            "BSD-2-Clause",
            "Copyright (c) 2008-2024 Stefan Krah. All rights reserved.",
            ("libmpdec*", "_decimal.*"),
        ),
        Native(
            "libuuid",
            "BSD-3-Clause",
            "Copyright (c) 1996-2007 Theodore Ts'o; Copyright (c) 1999 Andreas Dilger",
            ("libuuid*", "_uuid.*"),
        ),
        Native(
            "Zstandard",
            "BSD-3-Clause",
            "Copyright (c) Meta Platforms, Inc. and affiliates. All rights reserved.",
            ("libzstd*", "_zstd.*"),
        ),
        Native(
            "Microsoft Visual C++ Runtime",
            "LicenseRef-redistributable",
            "Copyright (c) Microsoft Corporation. All rights reserved.",
            ("vcruntime*.dll", "msvcp*.dll", "ucrtbase.dll", "api-ms-win-*.dll"),
        ),
    )


INTERPRETER = (
    "libpython*",
    "python3*.dll",
    "Python",  # macOS' framework
    "base_library.zip",
)
"""Files of CPython itself."""


def of(file: str) -> tuple[Native, ...]:
    """The components that are in a file of this name."""
    return tuple(c for c in components() if any(fnmatch.fnmatchcase(file.lower(), p) for p in c.files))


def is_interpreter(file: str) -> bool:
    """Whether a file of this name is CPython's."""
    return any(fnmatch.fnmatchcase(file, pattern) for pattern in INTERPRETER)


def python() -> Native:
    """The interpreter."""
    return Native(
        "CPython",
        "Python-2.0",
        "Copyright (c) Python Software Foundation. All rights reserved.",
        INTERPRETER,
        platform.python_version(),
    )
