"""Workers on other machines: what is asked of them, and what is made of what they say."""
