"""What shows a customer, who trusts no node, that a call was answered."""
