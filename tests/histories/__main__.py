"""`make history-campaign`."""

import sys

from tests.histories.campaign import main

sys.exit(main())
