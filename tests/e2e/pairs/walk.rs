//! Every ordered pair of things, each once, as one walk in which the second of a pair is the first of
//! the next.

/// A walk over the pairs that `wanted` names by their places: an Eulerian circuit for each connected
/// part, found by Hierholzer's algorithm. Each thing must be the first of as many wanted pairs as it
/// is the second.
pub fn walks(count: usize, wanted: impl Fn(usize, usize) -> bool) -> Vec<Vec<usize>> {
    let seconds = |first| {
        let all = (0..count).rev();
        all.filter(|second| wanted(first, *second)).collect()
    };
    let mut left: Vec<Vec<usize>> = (0..count).map(seconds).collect();
    let mut walks = Vec::new();
    while let Some(start) = left.iter().position(|seconds| !seconds.is_empty()) {
        let (mut path, mut walk) = (vec![start], Vec::new());
        while let Some(at) = path.last().copied() {
            match left[at].pop() {
                Some(next) => path.push(next),
                None => walk.extend(path.pop()),
            }
        }
        walk.reverse();
        walks.push(walk);
    }
    walks
}

#[test]
fn each_wanted_pair_comes_once() {
    for (count, third) in [(1, false), (4, false), (15, false), (15, true)] {
        let wanted = |first, second| !third || (first + second) % 3 == 0;
        let walks = walks(count, wanted);
        let walked = walks.iter().flat_map(|walk| walk.windows(2));
        let mut walked: Vec<_> = walked.map(|pair| (pair[0], pair[1])).collect();
        walked.sort_unstable();
        let all = (0..count).flat_map(|first| (0..count).map(move |second| (first, second)));
        let all: Vec<_> = all
            .filter(|(first, second)| wanted(*first, *second))
            .collect();
        assert_eq!(walked, all);
    }
}
