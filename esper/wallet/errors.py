"""What a wallet refuses: each error a sentence that names what is wrong and what to do."""

from typing import ClassVar


class WalletError(Exception):
    """Base of all. ``misuse`` tells a mistake in what was asked for from a refusal."""

    misuse: ClassVar[bool] = False


class MisuseError(WalletError):
    """What was typed cannot be meant: a name, an amount or an option."""

    misuse = True


class WordsError(MisuseError):
    """Words that are no seed."""


class AmountError(MisuseError):
    """A text that is no amount."""


class ReceiverError(MisuseError):
    """A text that is no address of the network."""


class WalletNameError(MisuseError):
    """A wallet's name that cannot be a file's."""


class WalletMissingError(MisuseError):
    """There is no such wallet, or no single one to take without a name."""


class WalletExistsError(MisuseError):
    """The name is taken; no wallet is ever overwritten."""


class WalletFolderError(WalletError):
    """The folder of wallets is none."""


class WalletDamagedError(WalletError):
    """A file that is no wallet, or not all of one any more."""


class WalletNewerError(WalletError):
    """A file of a format that this program does not know."""


class OtherNetworkError(WalletError):
    """A wallet, file or node of another network than the one that is meant."""


class CostError(WalletError):
    """A file that asks for more memory or time than a wallet needs."""


class WrongPasswordError(WalletError):
    """The password does not open the wallet."""


class NoSecretError(WalletError):
    """The wallet only watches the address, or does not hold it: it cannot sign."""


class FundsShortError(WalletError):
    """The balance does not cover amount and fee."""


class StakeShortError(WalletError):
    """Less is staked than shall be unstaked."""


class CreditsShortError(WalletError):
    """The credits, or what may be used of them in this epoch, do not cover the cost."""


class DustError(WalletError):
    """Too little to open a new account with."""


class FeeCapError(WalletError):
    """A fee above the most that is paid without saying so."""


class NonceTakenError(WalletError):
    """Another transaction of the account came first; nothing was replaced."""


class CallShapeError(WalletError):
    """A call that no block could take."""


class NotReplaceableError(WalletError):
    """A transaction that is not waiting, or not the wallet's."""


class ExchangeFileError(WalletError):
    """A file of unsigned or signed transactions that cannot be used."""


class NodeContradictionError(WalletError):
    """The node answered something that cannot be true."""


class CallOverdueError(WalletError):
    """A call is not answered in the time that somebody waits for it; it goes on."""


class NodeLostError(WalletError):
    """A node that was asked about a call went away and did not come back."""
