"""The store of models as the network sees it: which of its errors blame a peer."""

from esper.model.package.errors import ChunkDigestError, DigestListError, PackageDefectError
from esper.p2p.packages.ports import PackageErrors, PackageShelf
from esper.p2p.service.packages.package_jobs import PackageSource


def packages_of(store: PackageShelf) -> PackageSource:
    """What a network service fetches into, and gives from. ``store``: a ``ModelStore``.

    A list or a chunk of other digests is its sender's fault; a package that cannot be is nobody's;
    all else, a full disk among it, is this machine's trouble.
    """
    return PackageSource(
        store,
        PackageErrors(wrong=(DigestListError, ChunkDigestError), hopeless=(PackageDefectError,)),
    )
