// mk = 4. Read once against a running threshold: what passes is appended to a list in shared memory;
// when the list might overflow it is sorted, cut to the leading candidates, and the threshold raised
// to the last of them. Later columns with the threshold's key have higher indices and lose.
//
// Reads the input once; some (b ln(n / b)) / (CAP - b) sorts of the list.
#import params
#import keys
#import sort
#import output
#import finish
#import sweep
#import part_run
#import main
