// mk = 1, mkd = 3. As the filter, with room for two lists: the one that is kept, and one of as many
// columns or a tile, whichever is more. The network sorts both together.
//
// Reads the input once. Preferred for k of a tile or so.
#import params
#import keys
#import sort
#import output
#import lists
#import finish
#import sweep
#import part_run
#import main
