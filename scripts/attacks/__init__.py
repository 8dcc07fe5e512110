"""Attacks on the `medley` program, from outside: nothing but its exit codes, its output and the files it leaves is looked at.

    main.py      arguments, the order of things, what is printed
    kinds.py     the list of kinds
    process.py   one run of the program within limits of time, memory and output
    room.py      the folder of a round, and what "held" means
    lab.py       what the attacks of one call share: the program, folders, small data sets, a finished run
    works.py     commands that write, undisturbed: what kills and full disks are compared with
    arrays.py    .npy and .npz files, good and hostile
    pictures.py  images, good and hostile
    server.py    a small HTTP server that lies

Each kind is a file of its own with a subclass of `Kind`: `prepare` makes what its rounds share, `attack` does one round. All that is
random in a round comes from a generator that is seeded by the seed, the kind and the number of the round, so that one round can
be repeated alone. Where the kind has a list of cases, round k takes the k-th of the list shuffled by the seed, so that as many
rounds as there are cases try every one.

To add a kind, write its file and name it in kinds.py.
"""
