"""What a user holds: the estimators, their parameters, what is made of fitted ones."""
