// Playing: the next picture that is there, at the video's pace or slower, never one that is not loaded.

const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4];
const USUAL_FPS = 25; // for folders of images

/**
 * @param {object} app
 * @param {import("./store.js").Store} app.store
 * @param {import("./pictures.js").Pictures} app.pictures
 * @param {(frame: number) => void} app.show
 */
export function createPlayback({ store, pictures, show }) {
  let last = 0;

  function tick(time) {
    const { playing, frame, speed } = store.state;
    if (!playing) return;
    const video = store.state.videos.get(store.state.video);
    const pause = 1000 / ((video.fps || USUAL_FPS) * speed);
    if (frame + 1 >= video.frames) return store.set({ playing: false });
    if (time - last >= pause) {
      const steps = Math.max(1, Math.min(8, Math.floor((time - last) / pause)));
      const next = Math.min(video.frames - 1, frame + steps);
      if (pictures.get(next)) {
        last = time - last > 4 * pause ? time : last + steps * pause;
        show(next);
      } else {
        pictures.want(frame, 1);
        if (pictures.get(frame + 1)) {
          last = time;
          show(frame + 1);
        }
      }
    }
    requestAnimationFrame(tick);
  }

  function toggle() {
    const { playing, frame } = store.state;
    const video = store.state.videos.get(store.state.video);
    if (!playing && frame + 1 >= video.frames) show(0);
    store.set({ playing: !playing });
    last = performance.now();
    if (!playing) requestAnimationFrame(tick);
  }

  function changeSpeed(step) {
    const at = SPEEDS.indexOf(store.state.speed) + step;
    store.set({ speed: SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, at))] });
  }

  return { toggle, changeSpeed };
}
