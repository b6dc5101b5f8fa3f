TRIALS = {}
ALONE = ()
