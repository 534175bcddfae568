"""Is the cause that a finding names the one that was put in?"""
