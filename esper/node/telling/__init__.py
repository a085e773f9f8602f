"""What happens in the node, told to programs outside: the feed of ``esper.events``."""
