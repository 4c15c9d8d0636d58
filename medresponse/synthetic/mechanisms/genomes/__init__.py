from medresponse.synthetic.mechanisms.genomes.balding_nichols import BaldingNichols
from medresponse.synthetic.mechanisms.genomes.coalescent import Coalescent
from medresponse.synthetic.mechanisms.genomes.none import NoGenome
from medresponse.synthetic.mechanisms.genomes.star_alleles import StarAlleles

__all__ = ["BaldingNichols", "Coalescent", "NoGenome", "StarAlleles"]
